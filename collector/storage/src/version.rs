//! Decides which builds may use a store.
//!
//! A store records two versions: that of its format, and the oldest version whose builds can read everything in it (its reader). A
//! build opens a store whose reader is not above its own version, even if the format is newer: it reads the fields that it knows
//! and keeps the others. A build that opens a store of an older format raises it to its own versions. Builds that cannot read those
//! are refused from then on.
//!
//! A release raises [`VERSION`] with every change of the format. It raises [`READER`] too with a change that an older build
//! would misread or lose: another meaning of a field, or a field that must survive when an older build rewrites its row. A new
//! number of an enumeration raises neither: builds of version 2 and later keep numbers that they do not know.

/// The version of the format that this build writes.
pub(super) const VERSION: u32 = 2;
/// The oldest version whose builds can read the stores that this build writes. Builds of version 1 report an unknown number of an
/// enumeration as damage, and do not read the keys of a shared store that hold changed properties.
const READER: u32 = 2;

/// The versions of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) format: u32,
    pub(super) reader: u32,
}

/// How this build treats a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Open it as it is.
    Current,
    /// Record these versions, then open it.
    Raise(Versions),
    /// Refuse it unchanged: it needs a build of this version.
    Refuse { needed: u32 },
}

impl Versions {
    /// The versions of a new store.
    pub(super) const NEW: Self = Self {
        format: VERSION,
        reader: READER,
    };

    /// The versions of a store that records `reader`, or of one that predates that record.
    pub(super) fn found(format: u32, reader: Option<u32>) -> Self {
        let reader = reader.unwrap_or(format);
        Self { format, reader }
    }

    /// How this build treats a store of these versions.
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
