-- Who still inherits from it is going as well.
WITH orphans AS (UPDATE environments SET inherits = NULL WHERE project = $1 AND inherits = $2)
DELETE FROM environments WHERE project = $1 AND name = $2
