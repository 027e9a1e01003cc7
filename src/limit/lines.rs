//! Who is next: one line for each of several, and turns by weight.
//!
//! For work that cannot be divided and is done one piece after the other. Every line has a time of its own that a
//! turn moves on by `1 / weight`, and the line that is furthest behind has the next turn. So among lines that always
//! have somebody in them turns go by weight, and who comes to an empty line waits for at most one turn of each other
//! line of no greater weight. An empty line keeps nothing: it begins where the others are.

use std::collections::VecDeque;

/// What a turn of weight 1 moves a line on by.
const TURN: u64 = 1 << 20;

/// Lines of what waits, each with a bound.
#[derive(Debug)]
pub struct Lines<K, T> {
    lines: Vec<Line<K, T>>,
    bound: usize,
    /// The time of the line that had the last turn.
    time: u64,
}

#[derive(Debug)]
struct Line<K, T> {
    key: K,
    weight: u32,
    time: u64,
    waiting: VecDeque<T>,
}

impl<K: PartialEq, T> Lines<K, T> {
    /// No more than `bound`, at least 1, wait in each line.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { lines: Vec::new(), bound, time: 0 }
    }

    /// Goes to the end of a line; `false` when that is full. A weight of 0 counts as 1.
    #[must_use = "what was not taken waits for ever"]
    pub fn push(&mut self, key: K, weight: u32, item: T) -> bool {
        let weight = weight.max(1);
        let Some(line) = self.lines.iter_mut().find(|line| line.key == key) else {
            let time = self.time + TURN / u64::from(weight);
            self.lines.push(Line { key, weight, time, waiting: VecDeque::from([item]) });
            return true;
        };
        line.weight = weight;
        let room = line.waiting.len() < self.bound;
        if room {
            line.waiting.push_back(item);
        }
        room
    }

    /// Who has the next turn.
    pub fn pop(&mut self) -> Option<T> {
        let next = (0..self.lines.len()).min_by_key(|n| self.lines.get(*n).map(|line| line.time))?;
        let line = self.lines.get_mut(next)?;
        let item = line.waiting.pop_front();
        self.time = line.time;
        line.time += TURN / u64::from(line.weight);
        if line.waiting.is_empty() {
            self.lines.swap_remove(next);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Who has the turns, while everybody always waits.
    fn turns(lines: &mut Lines<usize, usize>, weights: &[u32], count: usize) -> Vec<usize> {
        let mut had = vec![0; weights.len()];
        for (n, weight) in weights.iter().enumerate() {
            assert!(lines.push(n, *weight, n) && lines.push(n, *weight, n));
        }
        for _ in 0..count {
            let n = lines.pop().unwrap();
            had[n] += 1;
            assert!(lines.push(n, weights[n], n));
        }
        had
    }

    #[test]
    fn turns_go_by_weight() {
        assert_eq!(turns(&mut Lines::new(9), &[1, 2, 5], 800), [100, 200, 500]);
        assert_eq!(turns(&mut Lines::new(9), &[1, 0], 10), [5, 5], "no weight is the least one");
    }

    #[test]
    fn a_line_is_in_order_and_has_an_end() {
        let mut lines = Lines::new(2);
        assert!(lines.push('a', 1, 1) && lines.push('a', 1, 2) && !lines.push('a', 1, 3));
        assert!(lines.push('b', 1, 4), "others have their own");
        let order: Vec<_> = std::iter::from_fn(|| lines.pop()).collect();
        assert_eq!(order, [1, 4, 2]);
        assert!(lines.push('a', 1, 5));
    }

    #[test]
    fn who_comes_seldom_does_not_wait_for_a_long_line() {
        let mut lines = Lines::new(1000);
        (0..500).for_each(|_| assert!(lines.push("loud", 1, "loud")));
        for _ in 0..100 {
            (0..3).for_each(|_| assert_eq!(lines.pop(), Some("loud")));
            assert!(lines.push("quiet", 1, "quiet"));
            assert!([lines.pop(), lines.pop()].contains(&Some("quiet")));
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_once_and_in_the_order_of_its_line(
            steps in prop::collection::vec(prop::option::of((0_usize..4, 1_u32..5)), 0..200),
        ) {
            let (mut lines, mut inside) = (Lines::new(usize::MAX), vec![VecDeque::new(); 4]);
            for (n, step) in steps.into_iter().enumerate() {
                if let Some((line, weight)) = step {
                    prop_assert!(lines.push(line, weight, (line, n)));
                    inside[line].push_back(n);
                } else {
                    let popped = lines.pop();
                    prop_assert_eq!(popped.is_some(), inside.iter().any(|line| !line.is_empty()));
                    if let Some((line, n)) = popped {
                        prop_assert_eq!(inside[line].pop_front(), Some(n));
                    }
                }
            }
        }
    }
}
