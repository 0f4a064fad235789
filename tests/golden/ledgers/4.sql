CREATE TABLE migrations (
	number INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	at FLOAT, 
	PRIMARY KEY (number)
);
CREATE TABLE requests (
	id INTEGER NOT NULL, 
	owner VARCHAR NOT NULL, 
	urgency INTEGER NOT NULL, 
	index_name VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	wish JSON NOT NULL, 
	resolution JSON, 
	state VARCHAR NOT NULL, 
	created FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE pins (
	project VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	file VARCHAR NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	source JSON NOT NULL, 
	PRIMARY KEY (project, version)
);
CREATE TABLE locks (
	"key" VARCHAR NOT NULL, 
	text JSON NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE learnt (
	project VARCHAR NOT NULL, 
	wheel JSON NOT NULL, 
	PRIMARY KEY (project)
);
CREATE TABLE jobs (
	id INTEGER NOT NULL, 
	"key" VARCHAR NOT NULL, 
	trust VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	target VARCHAR NOT NULL, 
	lane VARCHAR NOT NULL, 
	environment VARCHAR NOT NULL, 
	spec JSON NOT NULL, 
	state VARCHAR NOT NULL, 
	token INTEGER DEFAULT '0' NOT NULL, 
	tries INTEGER DEFAULT '0' NOT NULL, 
	asked INTEGER DEFAULT '0' NOT NULL, 
	cancel BOOLEAN DEFAULT false NOT NULL, 
	wishes JSON NOT NULL, 
	granted JSON NOT NULL, 
	outcome JSON, 
	PRIMARY KEY (id), 
	UNIQUE ("key", trust)
);
CREATE INDEX jobs_by_state ON jobs (state, lane);
CREATE TABLE workers (
	name VARCHAR NOT NULL, 
	lanes JSON, 
	seen_at FLOAT, 
	PRIMARY KEY (name)
);
CREATE TABLE artifacts (
	sha256 VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	size INTEGER, 
	PRIMARY KEY (sha256)
);
CREATE TABLE reports (
	test_key VARCHAR NOT NULL, 
	wheel VARCHAR NOT NULL, 
	target VARCHAR NOT NULL, 
	verdict VARCHAR NOT NULL, 
	report JSON NOT NULL, 
	PRIMARY KEY (test_key)
);
CREATE TABLE publications (
	id INTEGER NOT NULL, 
	index_name VARCHAR NOT NULL, 
	file VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	wheel VARCHAR NOT NULL, 
	size INTEGER NOT NULL, 
	content VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	note VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	build VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE index_events (
	serial INTEGER NOT NULL, 
	index_name VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	file VARCHAR NOT NULL, 
	payload JSON NOT NULL, 
	at FLOAT NOT NULL, 
	who VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (serial)
);
CREATE INDEX events_of_project ON index_events (project);
CREATE INDEX events_by_project ON index_events (index_name, project);
CREATE TABLE epochs (
	number INTEGER NOT NULL, 
	"primary" VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (number)
);
CREATE TABLE positions (
	name VARCHAR NOT NULL, 
	serial INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE tokens (
	id INTEGER NOT NULL, 
	digest VARCHAR NOT NULL, 
	index_name VARCHAR NOT NULL, 
	rights VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	note VARCHAR NOT NULL, 
	who VARCHAR NOT NULL, 
	created FLOAT NOT NULL, 
	expires FLOAT, 
	revoked FLOAT, 
	PRIMARY KEY (id), 
	UNIQUE (digest)
);
CREATE TABLE request_jobs (
	request INTEGER NOT NULL, 
	job INTEGER NOT NULL, 
	PRIMARY KEY (request, job), 
	FOREIGN KEY(request) REFERENCES requests (id), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE TABLE job_needs (
	job INTEGER NOT NULL, 
	needs VARCHAR NOT NULL, 
	PRIMARY KEY (job, needs), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE TABLE job_inputs (
	job INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	role VARCHAR NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	size INTEGER NOT NULL, 
	PRIMARY KEY (job, position), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE TABLE attempts (
	id INTEGER NOT NULL, 
	job INTEGER NOT NULL, 
	token INTEGER NOT NULL, 
	worker VARCHAR NOT NULL, 
	lease_until FLOAT NOT NULL, 
	started FLOAT NOT NULL, 
	ended FLOAT, 
	outcome JSON, 
	PRIMARY KEY (id), 
	UNIQUE (job, token), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE TABLE transitions (
	id INTEGER NOT NULL, 
	job INTEGER NOT NULL, 
	"before" VARCHAR NOT NULL, 
	"after" VARCHAR NOT NULL, 
	who VARCHAR NOT NULL, 
	note VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE TABLE steps (
	id INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	step VARCHAR NOT NULL, 
	started FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(attempt) REFERENCES attempts (id)
);
CREATE UNIQUE INDEX one_open_request ON requests (digest) WHERE state = 'open';
CREATE UNIQUE INDEX one_live_file ON publications (index_name, file) WHERE state IN ('wanted', 'published');
