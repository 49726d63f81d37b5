//! The file of users: a name, a bcrypt hash and rights on each line.

use std::str::FromStr as _;

use bcrypt::HashParts;

use super::Rights;

/// The highest cost of a hash. A hash with a higher cost takes seconds to check.
const MAX_COST: u32 = 14;

/// A user who may sign in.
#[derive(Clone)]
pub struct User {
    pub(super) name: String,
    pub(super) hash: String,
    pub(super) rights: Rights,
}

/// An invalid line of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Problem {
    line: usize,
    message: String,
}

/// Reads every user of a file. Blank lines and lines that begin with `#` are left out.
///
/// # Errors
/// Returns every invalid line.
pub fn parse(text: &str) -> Result<Vec<User>, Vec<Problem>> {
    let (mut users, mut problems) = (Vec::<User>::new(), Vec::new());
    // Some editors of Windows begin a file with this mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let user = User::parse(line).and_then(|user| {
            if users.iter().any(|other| other.name == user.name) {
                Err(format!("user {} is named twice", user.name))
            } else {
                Ok(user)
            }
        });
        match user {
            Ok(user) => users.push(user),
            Err(message) => problems.push(Problem {
                line: at + 1,
                message,
            }),
        }
    }
    if problems.is_empty() {
        Ok(users)
    } else {
        Err(problems)
    }
}

impl User {
    /// Reads `name hash right...`.
    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let (Some(name), Some(hash)) = (words.next(), words.next()) else {
            return Err("a line is: name, bcrypt hash, rights; the hash is missing".to_owned());
        };
        if let Some(invisible) = name.chars().find(|it| is_invisible(*it)) {
            return Err(format!(
                "the name {name:?} has the invisible character {invisible:?}"
            ));
        }
        match HashParts::from_str(hash) {
            Ok(parts) if parts.get_cost() <= MAX_COST => {}
            Ok(parts) => {
                return Err(format!(
                    "the hash of {name} has cost {}; {MAX_COST} is the highest allowed",
                    parts.get_cost()
                ));
            }
            Err(_not_bcrypt) => {
                return Err(format!(
                    "the second word of {name} is not a bcrypt hash; rollcall-collector nacos hash-password makes one"
                ));
            }
        }
        let rights = Rights::parse(words).map_err(|word| {
            format!("{word:?} is not a right for {name}; allowed are admin, and NAMESPACE=r, NAMESPACE=rw, NAMESPACE/GROUP=w")
        })?;
        Ok(Self {
            name: name.to_owned(),
            hash: hash.to_owned(),
            rights,
        })
    }
}

/// Whether a name with this character would look like another one: control characters, and marks without a width.
fn is_invisible(character: char) -> bool {
    let has_no_width = matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    has_no_width || character.is_control()
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `nacos`, as a server of 1.4 stores it.
    const HASH: &str = "$2a$10$EuWPZHzz32dJN7jexM34MOeYirDdFAZm2kuWj7VEOJhhZkDrxfvUu";

    #[test]
    fn a_row_of_the_reference_is_a_user() {
        let text = format!("# users\n\nnacos {HASH} admin\r\norders\t{HASH}  public=rw dev=r\n");
        let users = parse(&text).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(users[0].name, "nacos");
        assert!(users[0].rights.is_admin());
        assert!(!format!("{users:?}").contains(HASH), "hashes are not shown");
    }

    #[test]
    fn a_mark_at_the_beginning_is_no_part_of_the_first_name_and_no_name_has_invisible_characters() {
        let users = parse(&format!("\u{feff}nacos {HASH} admin\n")).unwrap();
        assert_eq!(users[0].name, "nacos");
        assert!(parse(&format!("\u{feff}# users\nnacos {HASH}\n")).is_ok());
        let problems = parse(&format!("a {HASH}\nb\u{200b} {HASH}\nc\u{7} {HASH}")).unwrap_err();
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3], "{problems:?}");
    }

    #[test]
    fn every_wrong_line_is_reported_at_once() {
        let costly = HASH.replace("$10$", "$15$");
        let text = format!("a\nb plain\nc {HASH} public\nd {HASH}\nd {HASH}\ne {costly}");
        let problems = parse(&text).unwrap_err();
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 6], "{problems:?}");
        assert!(problems[1].to_string().contains("hash-password"));
    }
}
