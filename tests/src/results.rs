//! The measured figures in `benches/RESULTS.md`. A bench writes only the sections between its own marks, so that the figures of
//! the other benches and the text between the sections stay.

use std::{fs, path::Path, process::Command, thread};

/// Replaces the section with this name by `text`, or appends the section to the document.
pub fn save(section: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let document = fs::read_to_string(&path).expect("reading the results");
    fs::write(&path, replace(&document, section, text)).expect("writing the results");
    eprintln!("saved the section {section} of {}", path.display());
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

/// The load average of the last minute. Read before a measurement, it shows the other load of the machine.
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
    use super::*;

    const DOCUMENT: &str = "# Results\n\n<!-- a: begin -->\n1\n<!-- a: end -->\n\nBetween.\n\n<!-- b: begin -->\n2\n<!-- b: end -->\n\nAfter.\n";

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let replaced = replace(DOCUMENT, "b", "3\n\n");
        assert_eq!(replaced, DOCUMENT.replace("\n2\n", "\n3\n"));
    }

    #[test]
    fn a_new_section_is_appended() {
        let appended = replace(DOCUMENT, "c", "3\n");
        let expected = format!("{DOCUMENT}\n<!-- c: begin -->\n3\n<!-- c: end -->\n");
        assert_eq!(appended, expected);
    }
}
