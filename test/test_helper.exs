# :packaging builds scratch projects with cargo, :endurance records a busy system for a minute; both run in CI.
# BEAM_SCOPE_NO_RAW=1 reads terms through the VM's interface alone, as on a release whose layouts are not the known ones.
raw = if System.get_env("BEAM_SCOPE_NO_RAW") == "1", do: [:raw], else: []
ExUnit.start(exclude: [:packaging, :endurance, :proof] ++ raw)
