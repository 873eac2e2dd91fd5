"""What trainings log beside their losses, for those that read logs without loading torch."""

LOGGED = "hole_psnr_above_constant_fill"  # dB, on validation pictures
