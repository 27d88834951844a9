//! What the Vault does, case by case; the same on every world.
//!
//! [`for_each_case`](crate::for_each_case) lists them, so that every world runs them all.

mod accounts;
mod channels;
mod conditions;
mod mandates;
mod vouchers;

pub use accounts::*;
pub use channels::*;
pub use conditions::*;
pub use mandates::*;
pub use vouchers::*;

/// Hands the names of all cases of [`suite`](crate::suite) to a macro.
#[macro_export]
macro_rules! for_each_case {
    ($use:ident) => {
        $use! {
            anyone_pays_in_and_only_the_owner_takes_out,
            nobody_can_squat_the_account_of_another,
            zero_amounts_and_addresses_are_refused,
            deposits_beyond_tokens_or_allowance_are_refused,
            names_of_accounts_and_channels_are_the_agreed_hashes,
            tokens_sent_without_a_deposit_belong_to_nobody,
            a_lock_covers_its_payee_and_cannot_be_withdrawn,
            owner_signer_and_vault_are_no_payees,
            a_delay_never_shrinks_while_anything_is_locked,
            a_delay_of_more_than_a_year_is_refused,
            a_new_lock_takes_back_the_announced_unlock,
            an_unlock_waits_for_its_time_and_then_anyone_sends_it,
            an_unlock_needs_an_announcement_and_money,
            only_the_owner_announces_an_unlock,
            locks_beyond_128_bits_are_refused,
            both_signatures_close_at_once,
            a_release_counts_in_its_round_only,
            a_close_needs_exactly_what_both_signed,
            an_empty_channel_is_not_closed,
            a_voucher_pays_once_and_only_what_is_new,
            a_voucher_beyond_the_lock_pays_the_lock,
            a_batch_pays_each_payee_by_one_transfer,
            a_batch_survives_duplicates_and_front_runners,
            one_bad_signature_refuses_the_batch,
            columns_of_different_length_are_refused,
            a_voucher_counts_in_its_channel_only,
            a_voucher_of_another_contract_or_chain_is_refused,
            other_forms_of_a_signature_are_refused,
            a_payee_redeems_until_the_unlock_is_sent,
            a_stranger_gains_nothing_by_redeeming,
            a_tower_keeps_its_share,
            a_mandate_is_for_its_tower_until_its_time,
            a_changed_mandate_is_refused,
            a_mandate_without_tower_is_for_anyone,
            a_shown_scalar_pays_its_condition,
            conditions_add_up_and_pay_once,
            a_condition_counts_to_its_last_second,
            wrong_scalars_are_refused,
            a_changed_condition_is_refused,
            vouchers_with_and_without_conditions_are_not_one_another,
            a_claim_beyond_256_bits_is_refused,
        }
    };
}
