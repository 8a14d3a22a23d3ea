//! Merging: the call, and everything that is known of it afterwards. The judgement before it is `merge`.

mod call;
mod landed;
mod meaning;
mod order;
mod settled;
mod stack;
mod unjudged;

pub(super) use self::{
    call::call,
    landed::landed,
    settled::settled,
    unjudged::{judged, unjudged},
};
