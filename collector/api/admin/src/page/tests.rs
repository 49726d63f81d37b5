use axum::body::to_bytes;
use serde_json::{Value, json};

use super::*;

fn pages(limit: usize, max_bytes: usize) -> Pages {
    Pages {
        answers: Budget::new("answers", limit),
        max_bytes,
    }
}

async fn body(response: Response) -> Value {
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_page_ends_with_the_cursor_of_the_list_unless_it_is_full() {
    let pages = pages(1 << 20, 100);
    let empty = pages.begin().end(None::<i32>).unwrap();
    assert_eq!(body(empty).await, json!({"items": [], "next": null}));
    let mut page = pages.begin();
    for item in ["a", "b"] {
        assert!(page.add(item, &item).unwrap().is_continue());
    }
    let all = page.end(Some(7)).unwrap();
    assert_eq!(body(all).await, json!({"items": ["a", "b"], "next": "7"}));
}

#[tokio::test]
async fn a_page_ends_early_at_its_size_and_has_one_item_at_least() {
    let pages = pages(1 << 20, 100);
    let mut page = pages.begin();
    let long = "x".repeat(1000);
    assert!(page.add(1, &long).unwrap().is_continue());
    assert!(page.add(2, &"y").unwrap().is_break());
    let full = body(page.end(Some(9)).unwrap()).await;
    assert_eq!(full, json!({"items": [long], "next": "1"}));
}

#[test]
fn a_page_is_charged_while_it_grows_and_the_answer_holds_its_charge() {
    let pages = pages(64 << 10, 1 << 20);
    let mut page = pages.begin();
    let item = "x".repeat(1000);
    for at in 0..10 {
        assert!(page.add(at, &item).unwrap().is_continue());
        assert!(pages.answers.held() >= page.bytes.bytes.capacity());
    }
    let response = page.end(None::<i32>).unwrap();
    assert!(pages.answers.held() >= 10_000);
    drop(response);
    assert_eq!(pages.answers.held(), 0);
    // The first item beyond the budget is refused, and no charge is left once the page is dropped.
    let mut page = pages.begin();
    let refused = (0..100).find_map(|at| page.add(at, &item).err());
    let refused = refused.unwrap().into_response();
    assert_eq!(refused.status(), 503);
    drop(page);
    assert_eq!(pages.answers.held(), 0);
}
