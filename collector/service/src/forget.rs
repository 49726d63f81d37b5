//! Forgets instances early: removes instances that are down or left from counts and lists before their term is over.

use rollcall_domain::InstanceId;

use super::{Core, Services, register};

impl Services {
    /// Removes these instances from counts and lists until their next signal, here and at every member that shares the store.
    /// Instances that are up or silent stay listed. All ids stay assigned. Once the change is durable, returns the number of
    /// instances that it removed from the lists.
    ///
    /// # Errors
    /// The store did not accept the write. All instances are then listed as before. If the disk is full, the store may keep the
    /// write until there is room, and the instances are removed from the lists then, unless they were seen since.
    pub async fn forget(&self, instances: &[InstanceId]) -> Result<usize, register::Error> {
        let marked = Marked::new(&self.core, instances);
        let instances = marked.instances.clone();
        // The writer removes the marks or keeps them, because the caller may give up while the write is queued.
        let settle = |written: Result<(), register::Error>| written.map(|()| marked.keep());
        self.register.record_and(instances, settle).await
    }
}

/// Instances that are marked as forgotten, but not in the store yet. Dropping this value lists them again.
struct Marked {
    core: Core,
    instances: Vec<InstanceId>,
}

impl Marked {
    /// The mark precedes the write, so that no member reports an instance as listed in between.
    fn new(core: &Core, instances: &[InstanceId]) -> Self {
        let is_listed = |id: &InstanceId| core.lessor.view(*id).is_some_and(|it| !it.forgotten);
        let listed = instances.iter().copied().filter(is_listed);
        let instances = listed.filter(|id| core.lessor.forget(*id)).collect();
        Self {
            core: core.clone(),
            instances,
        }
    }

    fn keep(mut self) -> usize {
        std::mem::take(&mut self.instances).len()
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        for instance in &self.instances {
            self.core.lessor.recall(*instance);
        }
    }
}
