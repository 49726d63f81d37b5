//! Pages of lists.

use serde_json::{Value, json};

use super::request::Request;

/// The largest page.
const MAX_SIZE: usize = 10_000;

/// The part of a list that a call requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
    pub(super) offset: usize,
}

impl Page {
    /// The page of a call. A number below 1 is the first page.
    pub(super) fn of(request: &Request<'_>, default_size: usize) -> Self {
        let number = request.params.page("pageNo", 1).max(1);
        let size = request.params.page("pageSize", default_size).min(MAX_SIZE);
        Self {
            number,
            size,
            offset: (number - 1).saturating_mul(size),
        }
    }

    /// The items of this page.
    pub(super) fn cut<T>(self, items: Vec<T>) -> Vec<T> {
        let items = items.into_iter();
        items.skip(self.offset).take(self.size).collect()
    }
}

/// A page in the format of 3.x.
pub(super) fn v3(page: Page, total: usize, items: Vec<Value>) -> Value {
    json!({
        "totalCount": total,
        "pageNumber": page.number,
        "pagesAvailable": total.div_ceil(page.size.max(1)),
        "pageItems": items,
    })
}
