//! Selection of a member: the three ways of SkyWalking 3.2.6 and 5.x, over the serving members that share the inventory.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Member, View};

/// A way to choose a member of a view. Returns `None` only if there is no peer.
pub trait Selector {
    /// The member for `key`; some selectors choose by its text.
    fn select<'v>(&self, view: &'v View, key: &str) -> Option<&'v Member>;
}

/// Chooses the first in order, so that all registrations have one owner.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForeverFirst;

impl Selector for ForeverFirst {
    fn select<'v>(&self, view: &'v View, _key: &str) -> Option<&'v Member> {
        view.peers().next()
    }
}

/// Chooses the same member for the same key while the view is the same. It uses Java's `String.hashCode` as upstream does, so that
/// a mixed cluster agrees. Upstream drops keys that hash to the least `int`; here they have a member like all others.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashCode;

impl Selector for HashCode {
    fn select<'v>(&self, view: &'v View, key: &str) -> Option<&'v Member> {
        let place = usize::try_from(hash_code(key).unsigned_abs()).unwrap_or(usize::MAX);
        nth(view, place)
    }
}

/// Chooses the members in turn, independent of the key.
#[derive(Debug, Default)]
pub struct Rolling(AtomicUsize);

impl Selector for Rolling {
    fn select<'v>(&self, view: &'v View, _key: &str) -> Option<&'v Member> {
        nth(view, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn nth(view: &View, place: usize) -> Option<&Member> {
    let place = place.checked_rem(view.peers().count())?;
    view.peers().nth(place)
}

/// Java's `String.hashCode`: over UTF-16 units, wrapping.
fn hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{State, tests::member},
        *,
    };

    fn view() -> View {
        View::new(["b", "c", "a"].map(|address| member(address, State::Serving)))
    }

    fn chosen(selector: &impl Selector, key: &str) -> String {
        selector.select(&view(), key).unwrap().address.to_string()
    }

    #[test]
    fn no_member_is_chosen_from_a_view_without_serving_members() {
        let view = View::new([member("a", State::Draining)]);
        assert_eq!(ForeverFirst.select(&view, "x"), None);
        assert_eq!(HashCode.select(&view, "x"), None);
        assert_eq!(Rolling::default().select(&view, "x"), None);
    }

    #[test]
    fn a_collector_of_upstream_is_never_chosen() {
        let upstream = Member {
            version: None,
            ..member("a", State::Serving)
        };
        let view = View::new([upstream, member("b", State::Serving)]);
        let chosen = ForeverFirst.select(&view, "x").unwrap();
        assert_eq!(&*chosen.address, "b");
    }

    #[test]
    fn forever_first_chooses_the_first_by_address() {
        assert_eq!(chosen(&ForeverFirst, "anything"), "a");
    }

    #[test]
    fn rolling_chooses_each_in_turn() {
        let rolling = Rolling::default();
        let turns = [(); 4].map(|()| chosen(&rolling, "same"));
        assert_eq!(turns, ["a", "b", "c", "a"]);
    }

    #[test]
    fn hash_code_is_that_of_java() {
        // Values of String.hashCode. The last one is the least int, which upstream cannot assign to a member.
        let known = [
            ("", 0),
            ("a", 97),
            ("hello", 99_162_322),
            ("é😀", 233 * 31 * 31 + 0xd83d * 31 + 0xde00),
            ("polygenelubricants", i32::MIN),
        ];
        for (text, hash) in known {
            assert_eq!(hash_code(text), hash, "{text}");
        }
        assert_eq!(chosen(&HashCode, "a"), "b"); // 97 % 3 = 1
        assert_eq!(chosen(&HashCode, "polygenelubricants"), "c"); // 2^31 % 3 = 2
    }
}
