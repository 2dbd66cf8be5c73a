-- Whether others use the image, while it is to be deleted at all.
SELECT shared FROM deployment_fates WHERE id = $1::uuid AND due = 'delete-image'
