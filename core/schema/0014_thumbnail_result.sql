-- Which thumbnails are these bytes? Asked for every file when the store is cleaned.
CREATE INDEX thumbnail_by_result ON thumbnail (result);
