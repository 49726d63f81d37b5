//! Which builds may use a store.
//!
//! A store records two versions: that of its format, and the oldest one whose builds read all that is written to it (its
//! reader). A build opens a store whose reader is not above its own version, also if the format is newer: it reads what it
//! knows and keeps what it does not. A store of an older format is raised to this build's versions when it is opened, and
//! builds that cannot read it are refused from then on.
//!
//! A release raises [`VERSION`] with every change of the format, and [`READER`] with a change that an older build would
//! misread or lose: another meaning of a field, a field that has to survive an older build's rewrite of its row. A new number
//! of an enumeration raises neither: builds of version 2 and later keep the ones that they do not know.

/// The version of the format that this build writes.
pub(super) const VERSION: u32 = 2;
/// The oldest version whose builds read what this build writes. Those of version 1 take an unknown number of an enumeration
/// for damage, and do not read the keys of a shared store that hold changed properties.
const READER: u32 = 2;

/// The versions of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) format: u32,
    pub(super) reader: u32,
}

/// What this build does with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Opens it as it is.
    Current,
    /// Opens it, and records these versions first.
    Raise(Versions),
    /// Leaves it untouched: it needs a build of this version.
    Refuse { needed: u32 },
}

impl Versions {
    /// Those of a new store.
    pub(super) const NEW: Self = Self {
        format: VERSION,
        reader: READER,
    };

    /// Those of a store that records `reader`, or was written before stores recorded one.
    pub(super) fn found(format: u32, reader: Option<u32>) -> Self {
        let reader = reader.unwrap_or(format);
        Self { format, reader }
    }

    /// What this build does with a store of these versions.
    pub(super) fn admit(self) -> Admission {
        if self.reader > VERSION {
            return Admission::Refuse {
                needed: self.reader,
            };
        }
        if self.format >= VERSION {
            return Admission::Current;
        }
        Admission::Raise(Self {
            format: VERSION,
            reader: self.reader.max(READER),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_opened_by_every_build_that_its_reader_allows() {
        let newer = VERSION + 1;
        for (format, reader, admission) in [
            (1, None, Admission::Raise(Versions::NEW)),
            (VERSION, Some(READER), Admission::Current),
            (newer, Some(VERSION), Admission::Current),
            (newer, Some(newer), Admission::Refuse { needed: newer }),
            (newer, None, Admission::Refuse { needed: newer }),
        ] {
            let found = Versions::found(format, reader);
            assert_eq!(found.admit(), admission, "{found:?}");
        }
    }
}
