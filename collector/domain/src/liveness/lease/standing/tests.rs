use super::*;

#[test]
fn every_state_flag_and_index_survives_packing() {
    let flags = [
        Flag::Filed,
        Flag::FiledAsEnded,
        Flag::Forgotten,
        Flag::Slow,
        Flag::Removed,
    ];
    for state in State::ALL {
        for flag in flags {
            for number in [0, 1, 511] {
                let terms = TermsIndex::from_number(number);
                let standing = Standing::new(state, Moment::from_millis(-5), terms);
                let standing = standing.with(flag, true);
                let back = Standing::unpack(standing.pack());
                assert_eq!(back, standing);
                assert!(flags.iter().all(|one| back.has(*one) == (*one == flag)));
            }
        }
    }
}
