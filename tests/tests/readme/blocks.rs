//! The fenced blocks of the documents for users.

use rollcall_tests::documents;

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
        self.text.lines().next().unwrap_or_default().trim_start()
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

/// Every block of every page.
pub(crate) fn blocks() -> Vec<Block> {
    let pages = documents::pages();
    pages.iter().flat_map(|page| of(page)).collect()
}

/// Every block of a page, in the order of the page.
fn of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
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
    assert!(open.is_none(), "the page does not close: {open:?}");
    blocks
}
