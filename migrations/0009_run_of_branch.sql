-- Nobody looks for a run that is over by its branch; `run_alive` holds those that are not. Each index costs every
-- run twice: when it begins and when it ends, which changes what other indexes say of it.
drop index run_of_branch;
