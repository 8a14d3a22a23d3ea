-- A run is about a subject; a requirement is the first kind of it. Expands only: a release that knows nothing but
-- requirements writes and reads their runs as before.
alter table run
    alter column requirement_id drop not null,
    -- The kind, as core::subject::SubjectKind names it. Not checked against a list: a release that does not know
    -- the kind leaves the run's jobs to a newer one.
    add column subject_kind text not null default 'requirement',
    -- The id of any subject but a requirement. The id of a requirement stays in requirement_id, where its foreign
    -- key and its indexes are and where earlier releases look for it.
    add column subject_id uuid,
    add constraint one_subject check (
        case subject_kind when 'requirement' then requirement_id is not null and subject_id is null
                          else requirement_id is null and subject_id is not null end
    );
