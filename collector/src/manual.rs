//! `man` and `completions`: the manual page and the shell completions, from the command line's own definition, so that they
//! cannot differ from it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use tracing::error;

use crate::cli::Arguments;
use crate::system;

/// The sections of the manual page that the command line's definition does not have.
const SECTIONS: &str = r".SH SIGNALS
.TP
SIGTERM, SIGINT
Drain and stop: the collector leaves the naming lists, finishes the requests in progress, and closes its store. A second signal stops it at once, unless it arrives within a second of the first: then it is ignored, because some init systems send two.
.TP
SIGHUP
Read the certificate files again; stop the demo.
.TP
SIGUSR1
Log at DEBUG; a second one logs Rollcall's own parts at TRACE.
.TP
SIGUSR2
Log at the configured level again.
.SH EXIT STATUS
.TP
0
A clean stop; for roster, members and why: everything that was found is up.
.TP
1
A failure, which the log names; for roster, members and why: something that was found is not up.
.TP
3
Nothing was found.
.TP
4
The query or the backup failed: the collector does not answer, or refuses it.
.TP
64
The command line or the configuration is invalid.
.TP
75
A collector uses the store.
.SH ENVIRONMENT
.TP
SW_*
Every key of the configuration has a variable, which wins over the file; \-\-print\-config shows the values in effect.
.TP
ROLLCALL_URL, ROLLCALL_TOKEN, ROLLCALL_CA_FILE, ROLLCALL_CERT_FILE, ROLLCALL_KEY_FILE
The collector that roster, members, why, watch and store backup call.
.TP
RUST_LOG
The filter of the log, unless \-\-log\-level is given.
.TP
NO_COLOR
No colours, also on a terminal.
.TP
NOTIFY_SOCKET, WATCHDOG_USEC
Set by systemd: the collector reports that it is ready, stopping, and alive.
.SH FILES
.TP
/etc/rollcall/application.yml
The configuration of the Debian package.
.TP
/var/lib/rollcall
Its store.
";

/// Prints the manual page.
pub(crate) fn print_page() -> ExitCode {
    written(page())
}

/// Prints the completions of a shell.
pub(crate) fn print_completions(shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    written(Ok(text))
}

fn written(text: io::Result<Vec<u8>>) -> ExitCode {
    match text.and_then(|text| system::write_out(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "standard output failed");
            ExitCode::FAILURE
        }
    }
}

/// One page: the program, each command, and [`SECTIONS`].
fn page() -> io::Result<Vec<u8>> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    add_commands(&command, "", &mut page)?;
    page.extend_from_slice(SECTIONS.as_bytes());
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// Adds the commands below `parent`, each with its options.
fn add_commands(parent: &Command, path: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let commands = parent.get_subcommands();
    for command in commands.filter(|it| !it.is_hide_set() && it.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        let mut section = Vec::new();
        let man = Man::new(command.clone().disable_help_flag(true));
        man.render_description_section(&mut section)?;
        if command.get_arguments().any(|it| it.get_id() != "help") {
            man.render_options_section(&mut section)?;
        }
        let section = String::from_utf8_lossy(&section);
        // The headings of a page become paragraphs of the command's subsection.
        let lines = section.lines().filter(|line| !line.starts_with(".ie "));
        let lines = lines.filter(|line| !line.starts_with(".el "));
        writeln!(page, ".SS \"{}\"", path.trim_start())?;
        for line in lines {
            match line.strip_prefix(".SH ") {
                Some("DESCRIPTION") => {}
                Some(heading) => writeln!(page, ".PP\n.I {heading}")?,
                None => writeln!(page, "{line}")?,
            }
        }
        add_commands(command, &path, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_every_option() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        let page = page.replace("\\-", "-");
        for text in [
            ".TH rollcall-collector 1",
            ".SS \"roster\"",
            ".SS \"store import\"",
            "--application",
            "--first-instance-id",
            ".SH EXIT STATUS",
            ".SH SIGNALS",
        ] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(!page.contains(".SS \"sample"), "{page}");
    }

    #[test]
    fn a_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "rollcall-collector",
                &mut text,
            );
            let text = String::from_utf8(text).unwrap();
            for word in ["roster", "members", "watch", "log-format", "silent"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }
}
