-- The newest runs of a product, whatever they are about: its page counts what became of them.
create index run_of_product on run (product, created_at desc);
