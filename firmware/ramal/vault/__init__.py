"""What becomes of a recording's file once it is measured: Opus, verified, encrypted, sealed into the catalogue.

Law: at every instant there is one good copy. The wav goes only after its successor was read back from the disk,
decrypted, decoded and compared, and its row and seal are on the disk; a crash anywhere is taken up again.
"""
