"""The DICOM archive, behind one interface: only this package knows which one runs."""
