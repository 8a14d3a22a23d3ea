-- Sign-in at an identity provider (OpenID Connect). What a person is called there is linked to one of their keys: a
-- session that begins so is the key's, and ends with it. Expands only.

-- As the configured claim names them there.
alter table api_key add column identity text check (length(identity) between 1 and 255);
create unique index api_key_of_identity on api_key (identity) where identity is not null and revoked_at is null;

-- Sign-ins that are under way. A row is deleted when its browser comes back, so that it counts once; what is left over
-- is deleted as others begin.
create table sign_in (
    -- Of the state, which went to the provider and comes back.
    digest     bytea primary key check (length(digest) = 32),
    -- Of the cookie, which stayed in the browser.
    browser    bytea not null check (length(browser) = 32),
    nonce      text not null,
    -- Of PKCE (RFC 7636): proves to the provider that who began redeems the code.
    verifier   text not null,
    -- Where to lead on to, a path.
    next       text not null,
    expires_at timestamptz not null
);
create index sign_in_expires on sign_in (expires_at);
