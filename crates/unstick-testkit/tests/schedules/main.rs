//! The schedules let a correct cache pass, and each catches the mistakes that it is for.

use unstick_testkit::schedules::{Family, Mistake, Plain, Sketches, assert_caught, assert_sound, run};

mod sound {
    use super::*;

    fn sound(family: Family) {
        let counts = assert_sound(&Sketches(None), family);
        assert!(counts.refused > 0, "{counts:?}");
    }

    #[test]
    fn key() {
        sound(Family::Key);
    }

    #[test]
    fn tag() {
        sound(Family::Tag);
    }

    #[test]
    fn value_tag() {
        sound(Family::ValueTag);
    }

    #[test]
    fn clear() {
        sound(Family::Clear);
    }

    #[test]
    fn early_refresh() {
        sound(Family::EarlyRefresh);
    }

    #[test]
    fn timed_out() {
        sound(Family::TimedOut);
    }

    #[test]
    fn remote() {
        sound(Family::Remote);
    }

    #[test]
    fn lease() {
        sound(Family::Lease);
    }

    #[test]
    fn gap() {
        sound(Family::Gap);
    }
}

/// The family that is meant to catch a mistake, among others that may.
fn caught_by(mistake: Mistake) -> &'static [Family] {
    match mistake {
        Mistake::StampAfterLoad => &Family::ALL,
        Mistake::TagStampAfterLoad => &[Family::Tag, Family::ValueTag, Family::EarlyRefresh, Family::TimedOut, Family::Remote],
        Mistake::JoinsAnyFlight => &[Family::Key, Family::Tag, Family::ValueTag, Family::Clear],
        Mistake::RefreshUnguarded => &[Family::EarlyRefresh],
        Mistake::LateLoadUnguarded => &[Family::TimedOut],
        Mistake::NoticeOnlyRemoves | Mistake::WallClockTags => &[Family::Remote],
        Mistake::FillWithoutLease | Mistake::LevelLast | Mistake::LevelForgetsTags => &[Family::Lease],
        Mistake::GapIgnored => &[Family::Gap],
        other => panic!("{other:?} has no family that catches it"),
    }
}

#[test]
fn every_mistake_is_caught() {
    for mistake in Mistake::ALL {
        for family in caught_by(mistake) {
            print!("{mistake:?}: ");
            assert_caught(&Sketches(Some(mistake)), *family);
        }
    }
}

#[test]
fn every_family_catches_plain_moka() {
    for plain in [Plain::GetThenInsert, Plain::TryGetWith] {
        for family in Family::ALL {
            print!("{plain:?}: ");
            assert_caught(&plain, family);
        }
    }
}

/// What a family reports can be repeated.
#[test]
fn a_seed_repeats_its_schedule() {
    for family in Family::ALL {
        let play = |subjects| run(&subjects, family, 0..100);
        assert_eq!(play(Plain::GetThenInsert), play(Plain::GetThenInsert));
        assert_eq!(play(Plain::TryGetWith), play(Plain::TryGetWith));
        assert_eq!(run(&Sketches(None), family, 0..100), run(&Sketches(None), family, 0..100));
    }
}
