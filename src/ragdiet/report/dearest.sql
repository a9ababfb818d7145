SELECT prompt_id, question, cost, model, outcome, finished_at, tenant
FROM ragdiet.ask
WHERE finished_at >= %(since)s AND finished_at < %(until)s AND cost > 0
ORDER BY cost DESC, prompt_id
LIMIT 20
