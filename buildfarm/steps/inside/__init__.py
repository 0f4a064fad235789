"""Scripts that run inside a session, under its interpreter: standard library only, Python 3.9 and newer, no buildfarm
there.
"""
