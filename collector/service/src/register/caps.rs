//! Limits on the stored properties of an instance.

use std::borrow::Cow;

use rollcall_domain::inventory::{NewInstance, Properties};

use super::Handle;

impl Handle {
    /// Truncates or drops properties that exceed the limits, and counts each report that had any.
    pub(super) fn fit(&self, properties: &mut Properties) {
        let caps = self.shared.caps;
        if !caps.admit(properties) {
            *properties = caps.fit(properties);
            self.shared.cut.inc();
        }
    }

    /// As [`Handle::fit`] for many processes; copies them only if a property exceeds a limit.
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
