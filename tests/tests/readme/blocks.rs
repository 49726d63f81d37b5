//! The fenced blocks of the README.

use std::path::Path;

/// One fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The text after the opening fence, such as `sh`.
    pub(crate) language: String,
    /// The text between the fences.
    pub(crate) text: String,
}

impl Block {
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The command lines, without their comments.
    pub(crate) fn commands(&self) -> Vec<&str> {
        self.text
            .lines()
            .map(|line| line.split(" #").next().unwrap_or_default().trim())
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    }
}

/// The whole page.
pub(crate) fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    std::fs::read_to_string(path).expect("the README")
}

/// Every block, in the order of the page.
pub(crate) fn blocks() -> Vec<Block> {
    let page = page();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "the last block of the README is not closed");
    blocks
}
