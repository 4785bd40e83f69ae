//! What a queue pops, in tables and against a linear search.

use proptest::prelude::*;

use super::*;

fn key(number: usize, priority: i32, lane: usize) -> QueueKey {
    QueueKey { priority, number, lane }
}

/// Returns an empty queue whose groups have these limits. The items are their own numbers, and times are numbers, too.
fn queue(limits: &[usize]) -> Queue<usize, u32> {
    Queue::new(limits.iter().map(|limit| NonZeroUsize::new(*limit).expect("a limit is not zero")))
}

fn of(keys: &[QueueKey], limits: &[usize]) -> Queue<usize, u32> {
    let mut queue = queue(limits);
    for key in keys {
        queue.push(*key, key.number);
    }
    queue
}

/// Pops all items that may go, and returns their numbers.
fn all(queue: &mut Queue<usize, u32>) -> Vec<usize> {
    std::iter::from_fn(|| queue.pop()).map(|(_, item)| item).collect()
}

#[test]
fn the_highest_priority_goes_first_and_then_the_lowest_number() {
    let keys = [key(0, 0, 0), key(1, 5, 0), key(2, -1, 0), key(3, 5, 0), key(4, i32::MIN, 0)];
    assert_eq!(all(&mut of(&keys, &[])), [1, 3, 0, 2, 4]);
}

#[test]
fn a_full_group_is_skipped_until_a_slot_is_free_again() {
    let keys = [key(0, 9, 1), key(1, 9, 1), key(2, 9, 1), key(3, 0, 0), key(4, 0, 2)];
    let mut queue = of(&keys, &[2, 1]);
    assert_eq!(all(&mut queue), [0, 1, 3, 4]);
    queue.release(keys[4]);
    assert_eq!(all(&mut queue), [0; 0]);
    queue.release(keys[1]);
    assert_eq!(all(&mut queue), [2]);
    assert!(queue.is_empty());
}

#[test]
fn a_delayed_item_holds_nothing_up_and_has_its_own_position_when_it_is_due() {
    let mut queue = of(&[key(1, 0, 0), key(2, 0, 0)], &[]);
    queue.push_delayed(key(0, 0, 0), 0, 10);
    queue.push_delayed(key(3, 0, 0), 3, 10);
    queue.push_delayed(key(4, 7, 0), 4, 20);
    queue.promote_due(|| 9);
    assert_eq!((queue.next_due(), queue.pop().map(|(_, item)| item)), (Some(10), Some(1)));
    queue.promote_due(|| 10);
    assert_eq!((queue.next_due(), all(&mut queue)), (Some(20), vec![0, 2, 3]));
    assert!(!queue.is_empty());
    queue.promote_due(|| u32::MAX);
    assert_eq!((queue.next_due(), all(&mut queue)), (None, vec![4]));
}

#[test]
fn all_items_are_drained_in_the_order_of_their_numbers() {
    let mut queue = of(&[key(3, 0, 0), key(1, 8, 1), key(2, 9, 0)], &[1]);
    queue.push_delayed(key(0, 0, 1), 0, 10);
    assert_eq!(queue.drain().into_iter().map(|(_, item)| item).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(queue.is_empty() && queue.pop().is_none());
}

#[test]
fn a_removed_item_leaves_its_position_to_the_next() {
    let keys = [key(0, 3, 1), key(1, 2, 1), key(2, 0, 0)];
    let mut queue = of(&keys, &[1]);
    queue.push_delayed(key(3, 9, 0), 3, 10);
    assert_eq!((queue.remove(keys[0]), queue.remove(keys[0])), (Some(0), None));
    assert_eq!((queue.remove(key(3, 9, 0)), queue.next_due()), (Some(3), None));
    assert_eq!(all(&mut queue), [1, 2]);
}

/// An operation on a queue; `Push` has a priority and a lane, and `Release` is for the item that was popped first.
#[derive(Clone, Debug)]
enum QueueStep {
    Push(i32, usize),
    PushDelayed(i32, usize, u32),
    Pop,
    Release,
    Advance(u32),
}

fn steps() -> impl Strategy<Value = Vec<QueueStep>> {
    let step = prop_oneof![
        (-2..3, 0_usize..4).prop_map(|(priority, lane)| QueueStep::Push(priority, lane)),
        (-2..3, 0_usize..4, 0_u32..9).prop_map(|(priority, lane, time)| QueueStep::PushDelayed(priority, lane, time)),
        Just(QueueStep::Pop),
        Just(QueueStep::Release),
        (0_u32..5).prop_map(QueueStep::Advance),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 500 }) })]

    #[test]
    fn it_pops_what_a_linear_search_of_a_list_finds(steps in steps()) {
        let limits = [1, 2, 3];
        let mut queue = queue(&limits);
        let mut waiting: Vec<(u32, QueueKey)> = Vec::new();
        let (mut popped, mut now) = (Vec::<QueueKey>::new(), 0);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                QueueStep::Push(priority, lane) => {
                    waiting.push((0, key(number, priority, lane)));
                    queue.push(key(number, priority, lane), number);
                }
                QueueStep::PushDelayed(priority, lane, time) => {
                    waiting.push((now + time, key(number, priority, lane)));
                    queue.push_delayed(key(number, priority, lane), number, now + time);
                }
                QueueStep::Release if popped.is_empty() => {}
                QueueStep::Release => queue.release(popped.remove(0)),
                QueueStep::Advance(time) => now += time,
                QueueStep::Pop => {
                    queue.promote_due(|| now);
                    let has_slot = |lane: usize| {
                        lane == 0 || popped.iter().filter(|of| of.lane == lane).count() < limits[lane - 1]
                    };
                    let ready = waiting.iter().filter(|(from, of)| *from <= now && has_slot(of.lane));
                    let expected = ready.map(|(_, of)| *of).min_by_key(|of| of.rank());
                    let first: Vec<_> = queue.peek(1).into_iter().map(|(of, _)| of).collect();
                    prop_assert_eq!(first.first().copied(), expected);
                    prop_assert_eq!(queue.pop(), expected.map(|of| (of, of.number)));
                    waiting.retain(|(_, of)| Some(*of) != expected);
                    popped.extend(expected);
                }
            }
            prop_assert_eq!(queue.is_empty(), waiting.is_empty());
        }
    }
}
