//! Namespaces, switches, and values that faces keep in the store.

use std::sync::Arc;

use rollcall_domain::catalog::{Full, PUBLIC, Resource, namespace_name};

use super::Catalog;
use crate::{
    Conflict, Error, Namespace, NotFound, Switches, rows,
    shared::{Plan, Shared},
    store::{self, Row, Table},
};

impl Catalog {
    /// The rows as last committed, for a backup. `None` if their store has no backups of its own.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn snapshot(&self) -> Result<Option<store::Snapshot>, store::Error> {
        self.0.stores.durable.snapshot()
    }

    /// The existing namespaces: `public` first, then those that were created, ordered by id. Clients may use others without
    /// creating them.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Namespace> {
        let created = self.0.namespaces.read();
        std::iter::once(Namespace::public())
            .chain(created.values().cloned())
            .collect()
    }

    /// The namespace with this id.
    #[must_use]
    pub fn namespace(&self, id: &str) -> Option<Namespace> {
        if id.is_empty() || id == PUBLIC {
            return Some(Namespace::public());
        }
        self.0.namespaces.read().get(id).cloned()
    }

    /// The number of services of a namespace.
    #[must_use]
    pub fn services_in(&self, namespace: &str) -> usize {
        self.0.registry.read().keys(namespace, None, None).count()
    }

    /// Creates a namespace.
    ///
    /// # Errors
    /// The namespace exists, its id is not valid, the limit of namespaces is reached, or the store failed.
    pub async fn create_namespace(&self, namespace: Namespace) -> Result<(), Error> {
        if namespace_name(&namespace.id)? == PUBLIC {
            return Err(Error::Conflict(Conflict::NamespaceExists));
        }
        self.put_namespace(namespace, false).await
    }

    /// Changes the name and the description of a namespace.
    ///
    /// # Errors
    /// It was not created, or the store failed.
    pub async fn update_namespace(&self, namespace: Namespace) -> Result<(), Error> {
        self.put_namespace(namespace, true).await
    }

    /// Deletes a namespace that has no services. Returns `false` if there is none with this id.
    ///
    /// # Errors
    /// It has services, or the store failed.
    pub async fn delete_namespace(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        let plan = move |shared: &Shared| {
            if shared
                .registry
                .read()
                .keys(&id, None, None)
                .next()
                .is_some()
            {
                return Err(Error::Conflict(Conflict::NamespaceNotEmpty));
            }
            let rows = vec![rows::remove(Table::Namespace, id.clone())];
            Ok(Plan::new(rows, move |shared| {
                Ok(shared.namespaces.write().remove(&id).is_some())
            }))
        };
        self.0.durably("namespaces".to_owned(), plan).await
    }

    /// The current switches.
    #[must_use]
    pub fn switches(&self) -> Arc<Switches> {
        self.0.switches()
    }

    /// The switches that deny service to clients, now and after every change; `None` if none does.
    #[must_use]
    pub fn switches_problem(&self) -> tokio::sync::watch::Receiver<Option<Arc<str>>> {
        self.0.switches_problem.subscribe()
    }

    /// Changes switches.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_switches(
        &self,
        update: impl FnOnce(&mut Switches) + Send + 'static,
    ) -> Result<(), Error> {
        let plan = move |shared: &Shared| {
            let mut switches = Switches::clone(&shared.switches());
            update(&mut switches);
            let rows = vec![rows::put(Table::Switch, String::new(), &switches)?];
            Ok(Plan::new(rows, move |shared| {
                shared.set_switches(switches);
                Ok(())
            }))
        };
        self.0.durably("switches".to_owned(), plan).await
    }

    /// Stores a value for a face, such as a secret. `None` removes it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn keep(&self, name: &str, value: Option<Vec<u8>>) -> Result<(), Error> {
        let name = name.to_owned();
        let touches = format!("face/{name}");
        let plan = move |_: &Shared| {
            let row = match &value {
                Some(value) => store::Change::Put(Row {
                    table: Table::Face,
                    key: name.clone(),
                    value: value.clone(),
                }),
                None => rows::remove(Table::Face, name.clone()),
            };
            Ok(Plan::new(vec![row], move |shared| {
                let mut kept = shared.kept.write();
                match value {
                    Some(value) => kept.insert(name, value),
                    None => kept.remove(&name),
                };
                Ok(())
            }))
        };
        self.0.durably(touches, plan).await
    }

    /// The value that a face stored under a name.
    #[must_use]
    pub fn kept(&self, name: &str) -> Option<Vec<u8>> {
        self.0.kept.read().get(name).cloned()
    }

    async fn put_namespace(&self, namespace: Namespace, must_exist: bool) -> Result<(), Error> {
        let plan = move |shared: &Shared| {
            let (exists, count) = {
                let present = shared.namespaces.read();
                (present.contains_key(&namespace.id), present.len())
            };
            let limit = shared.config.limits.namespaces;
            match (exists, must_exist) {
                (true, false) => return Err(Error::Conflict(Conflict::NamespaceExists)),
                (false, true) => return Err(Error::NotFound(NotFound::Namespace)),
                (false, false) if count >= limit => {
                    return Err(Error::Full(Full {
                        resource: Resource::Namespaces,
                        limit,
                    }));
                }
                _ => {}
            }
            let row = rows::put(Table::Namespace, namespace.id.clone(), &namespace)?;
            Ok(Plan::new(vec![row], move |shared| {
                let id = namespace.id.clone();
                shared.namespaces.write().insert(id, namespace);
                Ok(())
            }))
        };
        self.0.durably("namespaces".to_owned(), plan).await
    }
}
