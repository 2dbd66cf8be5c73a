-- This transaction's statements may take as long as PG_SCRIPT_MS.
SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true)
