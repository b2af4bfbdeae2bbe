-- Which key a workload came with, so that no key can take all the room there is.
ALTER TABLE workloads ADD COLUMN key_id TEXT COLLATE "C" REFERENCES keys (id);
CREATE INDEX workloads_key ON workloads (key_id);
