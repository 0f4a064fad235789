"""Scripts that run inside a session, under its interpreter: standard library only, no buildfarm there, and what Python
2.7 and every 3 from 3.9 on understand alike: no annotations, no f-strings, ASCII.
"""
