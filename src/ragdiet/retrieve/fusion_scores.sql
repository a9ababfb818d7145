-- Each leg's scores standardised by the mean and deviation of its best hits, then summed by weight.
(1 - %(dense_weight)s) * coalesce((keyword_score - keyword_mean) / keyword_deviation, 0)
+ %(dense_weight)s * coalesce((dense_score - dense_mean) / dense_deviation, 0)
