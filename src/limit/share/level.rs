//! The level by which a pool is shared.

/// What a member wishes of the pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// Above 0.
    pub(super) weight: f64,
    /// How many places.
    pub(super) places: f64,
}

/// Places per weight such that the pool is just used up when each has its part, or its wish if that is less.
/// Infinite if all wishes can be fulfilled. Sorts its input.
pub(super) fn level(pool: u32, wishes: &mut [Wish]) -> f64 {
    let mut rest = f64::from(pool);
    let mut weight: f64 = wishes.iter().map(|wish| wish.weight).sum();
    // from those that are content with the least, so that the level only rises
    wishes.sort_unstable_by(|a, b| (a.places * b.weight).total_cmp(&(b.places * a.weight)));
    for wish in wishes.iter() {
        if wish.places * weight > rest * wish.weight {
            return rest.max(0.0) / weight;
        }
        rest -= wish.places;
        weight -= wish.weight;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(pool: u32, wishes: &[(u32, u32)]) -> f64 {
        let wish = |(weight, places): &(u32, u32)| Wish { weight: (*weight).into(), places: (*places).into() };
        level(pool, &mut wishes.iter().map(wish).collect::<Vec<_>>())
    }

    #[test]
    fn those_who_wish_more_share_what_the_others_leave() {
        assert_eq!(of(60, &[(1, 90), (2, 50)]), 20.0);
        assert_eq!(of(60, &[(1, 90), (2, 50), (3, 6)]), 18.0);
        assert_eq!(of(60, &[(1, 90), (2, 0)]), 60.0);
        assert_eq!(of(60, &[(1, 20), (2, 40)]), f64::INFINITY, "there is enough for all");
        assert_eq!(of(0, &[(1, 1)]), 0.0);
        assert_eq!(of(0, &[]), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn the_pool_is_just_used_up(
            pool in 0_u32..1_000,
            wishes in prop::collection::vec((1_u32..20, 0_u32..300), 1..20),
        ) {
            let level = of(pool, &wishes);
            let get = |(weight, places): &(u32, u32)| (level * f64::from(*weight)).min(f64::from(*places));
            let sum: f64 = wishes.iter().map(get).sum();
            if level.is_finite() {
                prop_assert!((sum - f64::from(pool)).abs() < 1e-6, "{sum} of {pool} at {level}");
            } else {
                prop_assert!(sum <= f64::from(pool));
            }
        }
    }
}
