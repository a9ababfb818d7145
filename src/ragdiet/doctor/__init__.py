from ragdiet.doctor.diagnose import diagnose
from ragdiet.doctor.finding import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]
