-- Lists of routes are read host by host, and what may stand before a route by the beginning of its path.
CREATE INDEX routes_org_host ON routes (org_id, host);
CREATE INDEX routes_ranked ON routes (host) WHERE rank IS NOT NULL;
