//! A journal on the local disk: the file `catalog.journal` beside the store. Nothing is synced.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

const FILE: &str = "catalog.journal";
const UNFINISHED: &str = "catalog.journal.new";

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    bytes: u64,
}

impl Journal {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let file = options().open(&path)?;
        Ok(Self {
            bytes: file.metadata()?.len(),
            unfinished: directory.join(UNFINISHED),
            path,
            file,
        })
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines);
        match written {
            Ok(()) => self.bytes += lines.len() as u64,
            // A part of it may have been written.
            Err(_) => self.file.set_len(self.bytes)?,
        }
        written
    }

    pub(super) fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut lines = self.from(0)?;
        lines.truncate(super::whole_lines(&lines));
        self.bytes = lines.len() as u64;
        self.file.set_len(self.bytes)?;
        Ok(lines)
    }

    /// Removes the first bytes. The rest is renamed into place, so that a crash leaves either the old or the new file.
    pub(super) fn trim(&mut self, bytes: u64) -> io::Result<()> {
        if bytes >= self.bytes {
            self.file.set_len(0)?;
            self.bytes = 0;
            return Ok(());
        }
        let rest = self.from(bytes)?;
        let mut file = options().open(&self.unfinished)?;
        file.set_len(0)?;
        file.write_all(&rest)?;
        fs::rename(&self.unfinished, &self.path)?;
        self.file = file;
        self.bytes = rest.len() as u64;
        Ok(())
    }

    fn from(&mut self, place: u64) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        self.file.seek(SeekFrom::Start(place))?;
        self.file.read_to_end(&mut lines)?;
        Ok(lines)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options
}
