//! x
use super::super::{Call, Engine, Handled};
/// x
pub fn command(_: &mut Engine, call: &mut Call<'_>) -> Handled {
    call.ok()
}
/// x
pub fn help(call: &mut Call<'_>) -> Handled {
    call.ok()
}
