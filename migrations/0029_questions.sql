-- What a model asks before it writes a change, what people answer, and how requirements change while their run lives.
-- Expands only: an earlier release leaves the new columns to their defaults, and its reviews count for the first edition
-- of a text alone.

create table question_round (
    run_id       uuid not null,
    -- 1, 2, 3: a run asks no more often.
    round        int not null check (round > 0),
    -- The step that asks.
    step         text not null,
    questions    text[] not null check (cardinality(questions) between 1 and 5),
    asked_at     timestamptz not null default now(),
    -- One for each question, or one for all.
    answers      text[],
    answered_by  text,
    answered_at  timestamptz,
    -- The text was amended, so that nobody waits for the answers any more.
    withdrawn_at timestamptz,
    primary key (run_id, round),
    check ((answers is null) = (answered_at is null) and (answers is null) = (answered_by is null)),
    check (answers is null or cardinality(answers) in (1, cardinality(questions)))
);

create table amendment (
    -- The newest run of the requirement at that time.
    run_id         uuid not null,
    requirement_id uuid not null,
    -- The edition that it made, from 1.
    edition        int not null check (edition > 0),
    -- The text that it replaced, and the one that it made.
    title_before   text not null,
    body_before    text not null,
    title_after    text not null,
    body_after     text not null,
    amended_by     text not null,
    reason         text not null,
    amended_at     timestamptz not null default now(),
    primary key (run_id, edition)
);
create unique index amendment_of_requirement on amendment (requirement_id, edition);

-- How often the text was amended.
alter table requirement add column edition int not null default 0;
-- The requirement in whose place this one was submitted. No foreign key: retention deletes the earlier one first.
alter table requirement add column supersedes uuid;
create index requirement_superseding on requirement (supersedes) where supersedes is not null;
-- The edition of the text that a review judged the change by.
alter table review add column edition int not null default 0;
