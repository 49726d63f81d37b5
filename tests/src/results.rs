//! The documents that tests and benches write.
//!
//! The measured figures are in `benches/RESULTS.md`. A bench writes only the sections between its own marks, so that the figures of
//! the other benches and the text between the sections stay.

use std::{fs, path::Path, process::Command, thread};

/// Replaces the section with this name by `text`, or appends the section to the document.
pub fn save(section: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let document = fs::read_to_string(&path).expect("reading the results");
    fs::write(&path, replace(&document, section, text)).expect("writing the results");
    eprintln!("saved the section {section} of {}", path.display());
}

/// Replaces the contents of a document with this text if they differ. A test that reads the document at the same time sees either
/// the old or the new text, and never a part of one.
///
/// # Panics
/// If its directory cannot be written.
pub fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|present| present == text) {
        return;
    }
    let new = path.with_extension("md.new");
    fs::write(&new, text).expect("writing the results");
    fs::rename(new, path).expect("replacing the results");
}

fn replace(document: &str, section: &str, text: &str) -> String {
    let begin = format!("<!-- {section}: begin -->");
    let end = format!("<!-- {section}: end -->");
    let text = text.trim_end();
    let Some((before, rest)) = document.split_once(&begin) else {
        return format!("{}\n\n{begin}\n{text}\n{end}\n", document.trim_end());
    };
    let (_, after) = rest
        .split_once(&end)
        .expect("the last line of the section follows its first line");
    format!("{before}{begin}\n{text}\n{end}{after}")
}

/// The commit and the machine of a measurement, as one sentence without a full stop.
#[must_use]
pub fn setup() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "commit {}; {} cores of {}; Linux {}",
        commit(),
        thread::available_parallelism().map_or(0, usize::from),
        model.map_or("an unknown CPU", |(_, model)| model.trim()),
        kernel.trim(),
    )
}

/// The load average of the last minute. Before a measurement, it shows the load that the bench does not cause.
#[must_use]
pub fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}

fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{io, os::unix::fs::MetadataExt as _};

    use super::*;

    const DOCUMENT: &str = "# Results\n\n<!-- a: begin -->\n1\n<!-- a: end -->\n\nBetween.\n\n<!-- b: begin -->\n2\n<!-- b: end -->\n\nAfter.\n";

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let replaced = replace(DOCUMENT, "b", "3\n\n");
        assert_eq!(replaced, DOCUMENT.replace("\n2\n", "\n3\n"));
    }

    #[test]
    fn a_document_is_replaced_as_a_whole_and_only_by_another_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("RESULTS.md");
        write(&path, "1");
        // A reader of the old file keeps the old text.
        let mut open = fs::File::open(&path).unwrap();
        write(&path, "2");
        assert_eq!(io::read_to_string(&mut open).unwrap(), "1");
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");

        let before = fs::metadata(&path).unwrap().ino();
        write(&path, "2");
        assert_eq!(fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn a_new_section_is_appended() {
        let appended = replace(DOCUMENT, "c", "3\n");
        let expected = format!("{DOCUMENT}\n<!-- c: begin -->\n3\n<!-- c: end -->\n");
        assert_eq!(appended, expected);
    }
}
