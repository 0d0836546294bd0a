//! The test that every implementation of [`Store`](crate::Store) passes.
//!
//! [`suite!`] makes one test of each function below, over a new store each. [`model`] goes further: it
//! compares a store with [`MemoryStore`](crate::MemoryStore) over random sequences of operations.

pub(crate) mod commits;
pub(crate) mod finding;
pub(crate) mod keeping;
pub(crate) mod model;
pub(crate) mod runs;
pub(crate) mod samples;

/// Makes the tests. `$open` is an expression whose future yields a new store and a guard, which is
/// dropped when the test is over.
macro_rules! suite {
    ($open:expr) => {
        $crate::contract::suite! { $open =>
            keeping {
                a_store_is_bound_once_and_for_good,
                mailboxes_are_replaced_and_listed_by_name,
                facts_are_remembered_replaced_and_forgotten,
                a_lane_has_one_subscription,
                a_subscription_id_belongs_to_one_lane,
            }
            runs {
                each_run_has_a_higher_epoch,
                health_tells_how_the_runs_ended,
                an_overtaken_run_can_store_nothing,
                a_lane_that_never_ran_can_store_nothing,
                a_lane_stays_caught_up,
                runs_that_begin_at_once_have_epochs_of_their_own,
                lanes_do_not_disturb_each_other,
            }
            commits {
                all_of_a_commit_is_stored,
                nothing_of_a_refused_commit_is_stored,
                what_belongs_to_another_lane_is_refused,
                a_decision_replaces_the_older_one_everywhere,
                a_link_replaces_the_older_one,
                of_two_decisions_about_an_item_in_one_commit_the_last_counts,
                intents_are_open_until_they_are_closed,
                items_whose_ids_differ_in_case_are_two_items,
                more_than_a_page_is_stored_at_once,
                every_outcome_comes_back_whole,
                strange_text_comes_back_whole,
            }
            finding {
                what_waits_is_due_longest_overdue_first,
                the_next_due_instant_is_known,
                a_message_id_is_found_with_and_without_brackets,
                text_is_found_in_any_case,
                wildcards_are_ordinary_letters,
                a_record_is_found_by_its_id,
                outcomes_are_found_by_name_and_lane,
                the_newest_hundred_are_found,
                outcomes_are_counted,
            }
        }
    };
    ($open:expr => $($module:ident { $($name:ident),* $(,)? })*) => {
        $(mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let (store, _guard) = $open.await;
                    $crate::contract::$module::$name(&store).await;
                }
            )*
        })*
    };
}
pub(crate) use suite;
