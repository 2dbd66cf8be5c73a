-- Whether others use the image, while it is to be deleted at all.
SELECT x.shared FROM function_deployments d CROSS JOIN LATERAL fates_of(d.function_id) AS x WHERE d.id = $1::uuid AND x.id = d.id AND x.due = 'delete-image'
