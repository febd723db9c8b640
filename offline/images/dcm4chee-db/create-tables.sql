-- What takes the archive's place makes its own tables; it looks for this one, so that a database without the image's
-- scripts does not pass.
CREATE TABLE study (pk bigint PRIMARY KEY);
