//! What Dynamics' own synchronization over Exchange Web Services needs (setup.md section 2).

use crate::Step;

pub(super) fn steps() -> Vec<Box<dyn Step>> {
    vec![]
}
