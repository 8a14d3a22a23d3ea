//! Runs, their events, effects, signals, reviews, assessments and cost.

pub mod assessment;
pub mod budget;
pub mod command;
pub mod consent;
pub mod conversation;
pub mod delivery;
pub mod effect;
pub mod epilogue;
pub mod event;
pub mod evidence;
pub mod measure;
pub mod notice;
pub mod open_pull;
pub mod opinion;
pub mod overview;
pub mod question;
pub mod remark;
pub mod review;
pub mod review_part;
pub mod run;
pub mod shadow;
pub mod signal;
pub mod test_run;
pub mod transition;
