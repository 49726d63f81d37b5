//! Reads the files that are named in the settings.

use std::{fs::File, io::Read as _, path::Path};

/// The largest file that is accepted.
const MAX_BYTES: u64 = 1024 * 1024;

/// The contents of a file. The error has the path and the reason.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MAX_BYTES => Err(format!(
            "{}: is longer than {MAX_BYTES} bytes",
            path.display()
        )),
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let longest = usize::try_from(MAX_BYTES).unwrap();
        std::fs::write(&path, vec![b'a'; longest]).unwrap();
        assert_eq!(read(&path).unwrap().len(), longest);
        std::fs::write(&path, vec![b'a'; longest + 1]).unwrap();
        let refused = read(&path).unwrap_err();
        assert!(
            refused.contains("ca.pem: is longer than 1048576 bytes"),
            "{refused}"
        );
        let missing = read(&directory.path().join("none")).unwrap_err();
        assert!(missing.contains("none: "), "{missing}");
    }
}
