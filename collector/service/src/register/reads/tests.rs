use super::*;

#[tokio::test]
async fn one_read_serves_every_earlier_ticket_and_no_later_one() {
    let (requests, pending) = pair();
    assert!(pending.up_to().is_none());
    let (first, second) = (requests.take_ticket(), requests.take_ticket());
    assert!(first.is_first() && !second.is_first());
    let read = pending.up_to().unwrap();
    let late = requests.take_ticket();
    pending.serve(read);
    first.served().await.unwrap();
    second.served().await.unwrap();
    assert!(late.is_first(), "the late ticket has to wake the writer");
    pending.refuse();
    assert!(matches!(late.served().await, Err(Error::StoreUnavailable)));
    let last = requests.take_ticket();
    drop(pending);
    assert!(matches!(last.served().await, Err(Error::Stopped)));
}
