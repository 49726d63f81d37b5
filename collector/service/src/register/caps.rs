//! Limits on what is kept of the properties of an instance.

use std::borrow::Cow;

use rollcall_domain::inventory::{NewInstance, Properties};

use super::Handle;

impl Handle {
    /// Cuts and leaves out what exceeds the limits on properties, and counts that.
    pub(super) fn fit(&self, properties: &mut Properties) {
        let caps = self.shared.caps;
        if !caps.admit(properties) {
            *properties = caps.fit(properties);
            self.shared.cut.inc();
        }
    }

    /// The same for many processes; copies them only if there is something to cut.
    pub(super) fn fit_all<'a>(&self, processes: &'a [NewInstance]) -> Cow<'a, [NewInstance]> {
        let caps = self.shared.caps;
        if processes
            .iter()
            .all(|process| caps.admit(&process.properties))
        {
            return Cow::Borrowed(processes);
        }
        let mut processes = processes.to_vec();
        for process in &mut processes {
            self.fit(&mut process.properties);
        }
        Cow::Owned(processes)
    }
}
