"""What attributes results have, by kind: tests.wire.sampling writes it, nobody else."""

ATTRIBUTES: dict[str, str] = {
    "SEG": """
SpecificCharacterSet/AI ImageType/AG InstanceCreationDate/AG InstanceCreationTime/AG
SOPClassUID/AG SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI
SeriesTime/AG ContentTime/AG AccessionNumber/VI Modality/AG=SEG Manufacturer/AG=radnode
InstitutionName/NI ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI StudyDescription/AI
SeriesDescription/AG ManufacturerModelName/AG=radnode ReferencedSeriesSequence/AG
>ReferencedInstanceSequence/AG >>ReferencedSOPClassUID/AG >>ReferencedSOPInstanceUID/AG
>SeriesInstanceUID/AG SourceImageSequence/AG >ReferencedSOPClassUID/AG
>ReferencedSOPInstanceUID/AG PatientName/AI PatientID/AI PatientBirthDate/AI PatientSex/AI
BodyPartExamined/AI DeviceSerialNumber/AG=none SoftwareVersions/AG ContentQualification/AG
ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG >ManufacturerModelName/AG
>SoftwareVersions/NG >ContributionDateTime/NG >ContributionDescription/NG
>PurposeOfReferenceCodeSequence/AG >>CodeValue/AG >>CodingSchemeDesignator/AG=DCM
>>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG StudyID/VI SeriesNumber/AG
InstanceNumber/AG=1 FrameOfReferenceUID/AG PositionReferenceIndicator/EG
DimensionOrganizationSequence/AG >DimensionOrganizationUID/AG DimensionIndexSequence/AG
>DimensionOrganizationUID/AG >DimensionIndexPointer/AG >FunctionalGroupPointer/AG
>DimensionDescriptionLabel/AG SamplesPerPixel/AG=1 PhotometricInterpretation/AG=MONOCHROME2
NumberOfFrames/AG Rows/AG Columns/AG=31 BitsAllocated/AG=1 BitsStored/AG=1 HighBit/AG=0
PixelRepresentation/AG=0 LossyImageCompression/AG=00 RequestAttributesSequence/NI
SegmentationType/AG=BINARY SegmentSequence/AG >SegmentedPropertyCategoryCodeSequence/AG
>>CodeValue/AG >>CodingSchemeDesignator/AG=SCT >>CodeMeaning/AG >SegmentNumber/AG
>SegmentLabel/AG >SegmentationAlgorithmIdentificationSequence/AG >>AlgorithmSource/AG=radnode
>>AlgorithmFamilyCodeSequence/AG >>AlgorithmVersion/AG >>AlgorithmParameters/AG
>>AlgorithmName/AG >SegmentAlgorithmType/AG=AUTOMATIC >SegmentAlgorithmName/AG
>RecommendedDisplayCIELabValue/AG >SegmentedPropertyTypeCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=SCT >>CodeMeaning/AG >>SegmentedPropertyTypeModifierCodeSequence/NG
>TrackingID/AG >TrackingUID/AG SegmentsOverlap/AG=NO ContentLabel/AG=SEGMENTATION
ContentDescription/AG PresentationLUTShape/AG=IDENTITY SharedFunctionalGroupsSequence/AG
>PlaneOrientationSequence/AG >>ImageOrientationPatient/AG >PixelMeasuresSequence/AG
>>SliceThickness/AG >>SpacingBetweenSlices/AG >>PixelSpacing/AG
PerFrameFunctionalGroupsSequence/AG >DerivationImageSequence/AG >>SourceImageSequence/AG
>>DerivationCodeSequence/AG >FrameContentSequence/AG >>DimensionIndexValues/AG
>PlanePositionSequence/AG >>ImagePositionPatient/AG >SegmentIdentificationSequence/AG
>>ReferencedSegmentNumber/AG PixelData/AG
""",
    "LABELMAP": """
SpecificCharacterSet/AI ImageType/AG InstanceCreationDate/AG InstanceCreationTime/AG
SOPClassUID/AG SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI
SeriesTime/AG ContentTime/AG AccessionNumber/VI Modality/AG=SEG Manufacturer/AG=radnode
InstitutionName/NI ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI StudyDescription/AI
SeriesDescription/AG ManufacturerModelName/AG=radnode ReferencedSeriesSequence/AG
>ReferencedInstanceSequence/AG >>ReferencedSOPClassUID/AG >>ReferencedSOPInstanceUID/AG
>SeriesInstanceUID/AG SourceImageSequence/AG >ReferencedSOPClassUID/AG
>ReferencedSOPInstanceUID/AG PatientName/AI PatientID/AI PatientBirthDate/AI PatientSex/AI
BodyPartExamined/AI DeviceSerialNumber/AG=none SoftwareVersions/AG ContentQualification/AG
ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG >ManufacturerModelName/AG
>SoftwareVersions/NG >ContributionDateTime/NG >ContributionDescription/NG
>PurposeOfReferenceCodeSequence/AG >>CodeValue/AG >>CodingSchemeDesignator/AG=DCM
>>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG StudyID/VI SeriesNumber/AG
InstanceNumber/AG=1 FrameOfReferenceUID/AG PositionReferenceIndicator/EG
DimensionOrganizationSequence/AG >DimensionOrganizationUID/AG DimensionIndexSequence/AG
>DimensionOrganizationUID/AG >DimensionIndexPointer/AG=(0020,0032)
>FunctionalGroupPointer/AG=(0020,9113) >DimensionDescriptionLabel/AG SamplesPerPixel/AG=1
PhotometricInterpretation/AG=MONOCHROME2 NumberOfFrames/AG=8 Rows/AG Columns/AG=31
BitsAllocated/AG=8 BitsStored/AG=8 HighBit/AG=7 PixelRepresentation/AG=0 PixelPaddingValue/AG=0
LossyImageCompression/AG=00 RequestAttributesSequence/NI SegmentationType/AG=LABELMAP
SegmentSequence/AG >SegmentedPropertyCategoryCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=SCT >>CodeMeaning/AG >SegmentNumber/AG >SegmentLabel/AG
>SegmentationAlgorithmIdentificationSequence/AG >>AlgorithmSource/AG=radnode
>>AlgorithmFamilyCodeSequence/AG >>AlgorithmVersion/AG >>AlgorithmParameters/AG
>>AlgorithmName/AG >SegmentAlgorithmType/AG=AUTOMATIC >SegmentAlgorithmName/AG
>RecommendedDisplayCIELabValue/AG >SegmentedPropertyTypeCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=SCT >>CodeMeaning/AG >>SegmentedPropertyTypeModifierCodeSequence/NG
>TrackingID/AG >TrackingUID/AG SegmentsOverlap/AG=NO ContentLabel/AG=SEGMENTATION
ContentDescription/AG PresentationLUTShape/AG=IDENTITY SharedFunctionalGroupsSequence/AG
>PlaneOrientationSequence/AG >>ImageOrientationPatient/AG >PixelMeasuresSequence/AG
>>SliceThickness/AG >>SpacingBetweenSlices/AG >>PixelSpacing/AG
PerFrameFunctionalGroupsSequence/AG >DerivationImageSequence/AG >>SourceImageSequence/AG
>>DerivationCodeSequence/AG >FrameContentSequence/AG >>DimensionIndexValues/AG
>PlanePositionSequence/AG >>ImagePositionPatient/AG PixelData/AG
""",
    "SR": """
SpecificCharacterSet/AI InstanceCreationDate/AG InstanceCreationTime/AG SOPClassUID/AG
SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI SeriesTime/AG
ContentTime/AG AccessionNumber/VI Modality/AG=SR Manufacturer/AG=radnode InstitutionName/NI
ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI StudyDescription/AI SeriesDescription/AG
ManufacturerModelName/AG=radnode ReferencedPerformedProcedureStepSequence/EG PatientName/AI
PatientID/AI PatientBirthDate/AI PatientSex/AI DeviceSerialNumber/AG=none SoftwareVersions/AG
ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG
>ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG=1 ValueType/AG=CONTAINER
ConceptNameCodeSequence/AG >CodeValue/AG=126000 >CodingSchemeDesignator/AG=DCM >CodeMeaning/AG
ContinuityOfContent/AG=CONTINUOUS ReferencedRequestSequence/NG >AccessionNumber/AG=ACC1
>ReferencedStudySequence/EG >StudyInstanceUID/AG >RequestedProcedureDescription/EG
>RequestedProcedureCodeSequence/EG >RequestedProcedureID/AG=RP-7
>PlacerOrderNumberImagingServiceRequest/EG >FillerOrderNumberImagingServiceRequest/EG
PerformedProcedureCodeSequence/EG CurrentRequestedProcedureEvidenceSequence/AG
>ReferencedSeriesSequence/AG >>ReferencedSOPSequence/AG >>SeriesInstanceUID/AG
>StudyInstanceUID/AG CompletionFlag/AG=COMPLETE VerificationFlag/AG=UNVERIFIED
PreliminaryFlag/AG=PRELIMINARY ContentTemplateSequence/AG >MappingResource/AG=DCMR
>TemplateIdentifier/AG=1500
""",
    "ENHANCED_SR": """
SpecificCharacterSet/AI InstanceCreationDate/AG InstanceCreationTime/AG SOPClassUID/AG
SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI SeriesTime/AG
ContentTime/AG AccessionNumber/VI Modality/AG=SR Manufacturer/AG=radnode InstitutionName/NI
ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI StudyDescription/AI SeriesDescription/AG
ManufacturerModelName/AG=radnode ReferencedPerformedProcedureStepSequence/EG PatientName/AI
PatientID/AI PatientBirthDate/AI PatientSex/AI DeviceSerialNumber/AG=none SoftwareVersions/AG
ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG
>ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG=1 ValueType/AG=CONTAINER
ConceptNameCodeSequence/AG >CodeValue/AG=126000 >CodingSchemeDesignator/AG=DCM >CodeMeaning/AG
ContinuityOfContent/AG=CONTINUOUS ReferencedRequestSequence/NG >AccessionNumber/AG=ACC1
>ReferencedStudySequence/EG >StudyInstanceUID/AG >RequestedProcedureDescription/EG
>RequestedProcedureCodeSequence/EG >RequestedProcedureID/AG=RP-7
>PlacerOrderNumberImagingServiceRequest/EG >FillerOrderNumberImagingServiceRequest/EG
PerformedProcedureCodeSequence/EG CurrentRequestedProcedureEvidenceSequence/AG
>ReferencedSeriesSequence/AG >>ReferencedSOPSequence/AG >>SeriesInstanceUID/AG
>StudyInstanceUID/AG CompletionFlag/AG=COMPLETE VerificationFlag/AG=UNVERIFIED
PreliminaryFlag/AG=PRELIMINARY ContentTemplateSequence/AG >MappingResource/AG=DCMR
>TemplateIdentifier/AG=1500
""",
    "CAPTURE": """
SpecificCharacterSet/AI ImageType/AG InstanceCreationDate/AG InstanceCreationTime/AG
SOPClassUID/AG SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI
SeriesTime/AG ContentTime/AG AccessionNumber/VI Modality/AG=OT ConversionType/AG=WSD
Manufacturer/AG=radnode InstitutionName/NI ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI
StudyDescription/AI SeriesDescription/AG ManufacturerModelName/AG=radnode
DerivationDescription/AG SourceImageSequence/NG >ReferencedSOPClassUID/AG
>ReferencedSOPInstanceUID/AG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG=121322
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG PatientName/AI PatientID/AI
PatientBirthDate/AI PatientSex/AI BodyPartExamined/AI DeviceSerialNumber/AG=none
SecondaryCaptureDeviceManufacturer/AG=radnode
SecondaryCaptureDeviceManufacturerModelName/AG=radnode SoftwareVersions/AG
ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG
>ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG PatientOrientation/VG ImageComments/AG
SamplesPerPixel/AG=3 PhotometricInterpretation/AG=RGB PlanarConfiguration/AG=0 Rows/AG
Columns/AG BitsAllocated/AG=8 BitsStored/AG=8 HighBit/AG=7 PixelRepresentation/AG=0
BurnedInAnnotation/AG=YES RequestAttributesSequence/NI PixelData/AG
""",
    "KEY_OBJECTS": """
SpecificCharacterSet/AI InstanceCreationDate/AG InstanceCreationTime/AG SOPClassUID/AG
SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI SeriesTime/AG
ContentTime/AG AccessionNumber/VI Modality/AG=KO Manufacturer/AG=radnode InstitutionName/NI
ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI StudyDescription/AI SeriesDescription/AG
ManufacturerModelName/AG=radnode ReferencedPerformedProcedureStepSequence/EG PatientName/AI
PatientID/AI PatientBirthDate/AI PatientSex/AI DeviceSerialNumber/AG=none SoftwareVersions/AG
ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG
>ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG=1 ValueType/AG=CONTAINER
ConceptNameCodeSequence/AG >CodeValue/AG=113000 >CodingSchemeDesignator/AG=DCM >CodeMeaning/AG
ContinuityOfContent/AG=CONTINUOUS CurrentRequestedProcedureEvidenceSequence/AG
>ReferencedSeriesSequence/AG >>ReferencedSOPSequence/AG >>SeriesInstanceUID/AG
>StudyInstanceUID/AG ContentTemplateSequence/AG >MappingResource/AG=DCMR
>TemplateIdentifier/AG=2010
""",
    "PRESENTATION_STATE": """
SpecificCharacterSet/AI InstanceCreationDate/AG InstanceCreationTime/AG SOPClassUID/AG
SOPInstanceUID/AG StudyDate/AI SeriesDate/AG StudyTime/AI SeriesTime/AG AccessionNumber/VI
Modality/AG=PR Manufacturer/AG=radnode InstitutionName/NI ReferringPhysicianName/EI
TimezoneOffsetFromUTC/NI StudyDescription/AI SeriesDescription/AG
ManufacturerModelName/AG=radnode ReferencedSeriesSequence/AG >ReferencedImageSequence/AG
>>ReferencedSOPClassUID/AG >>ReferencedSOPInstanceUID/AG >SeriesInstanceUID/AG PatientName/AI
PatientID/AI PatientBirthDate/AI PatientSex/AI BodyPartExamined/AI DeviceSerialNumber/AG=none
SoftwareVersions/AG ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG
>InstitutionName/NG >ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG=1 RescaleIntercept/NG RescaleSlope/NG
RescaleType/NG SoftcopyVOILUTSequence/AG >ReferencedImageSequence/AG >>ReferencedSOPClassUID/AG
>>ReferencedSOPInstanceUID/AG >WindowCenter/AG >WindowWidth/AG RequestAttributesSequence/NI
GraphicAnnotationSequence/AG >ReferencedImageSequence/AG >>ReferencedSOPClassUID/AG
>>ReferencedSOPInstanceUID/AG >GraphicLayer/AG=AI_1 >TextObjectSequence/AG
>>BoundingBoxAnnotationUnits/AG >>UnformattedTextValue/AG >>BoundingBoxTopLeftHandCorner/AG
>>BoundingBoxBottomRightHandCorner/AG >>BoundingBoxTextHorizontalJustification/AG=LEFT
>GraphicObjectSequence/NG >>GraphicAnnotationUnits/AG=PIXEL >>GraphicDimensions/AG=2
>>NumberOfGraphicPoints/AG >>GraphicData/AG >>GraphicType/AG=POLYLINE >>GraphicFilled/AG=N
DisplayedAreaSelectionSequence/AG >ReferencedImageSequence/AG >>ReferencedSOPClassUID/AG
>>ReferencedSOPInstanceUID/AG >DisplayedAreaTopLeftHandCorner/AG
>DisplayedAreaBottomRightHandCorner/AG >PresentationSizeMode/AG >PresentationPixelSpacing/AG
GraphicLayerSequence/AG >GraphicLayer/AG=AI_1 >GraphicLayerOrder/AG=1
>GraphicLayerRecommendedDisplayGrayscaleValue/AG=65535 >GraphicLayerDescription/AG
>GraphicLayerRecommendedDisplayCIELabValue/AG ContentLabel/AG=AI_FINDINGS ContentDescription/AG
PresentationCreationDate/AG PresentationCreationTime/AG ContentCreatorName/EG
PresentationLUTShape/AG=IDENTITY
""",
    "PDF": """
SpecificCharacterSet/AI InstanceCreationDate/AG InstanceCreationTime/AG SOPClassUID/AG
SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG AcquisitionDateTime/EG StudyTime/AI
SeriesTime/AG ContentTime/AG AccessionNumber/VI Modality/AG=DOC ConversionType/AG=WSD
Manufacturer/AG=radnode InstitutionName/NI ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI
StudyDescription/AI SeriesDescription/AG ManufacturerModelName/AG=radnode PatientName/AI
PatientID/AI PatientBirthDate/AI PatientSex/AI DeviceSerialNumber/AG=none SoftwareVersions/AG
ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG
>ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG=1 BurnedInAnnotation/AG=NO
RequestAttributesSequence/NI ConceptNameCodeSequence/AG >CodeValue/AG=18748-4
>CodingSchemeDesignator/AG=LN >CodeMeaning/AG VerificationFlag/AG=UNVERIFIED DocumentTitle/AG
EncapsulatedDocument/AG MIMETypeOfEncapsulatedDocument/AG=application/pdf
SourceInstanceSequence/AG >ReferencedSOPClassUID/AG >ReferencedSOPInstanceUID/AG
EncapsulatedDocumentLength/AG
""",
    "RTSTRUCT": """
SpecificCharacterSet/AI InstanceCreationDate/AG InstanceCreationTime/AG SOPClassUID/AG
SOPInstanceUID/AG StudyDate/AI SeriesDate/AG StudyTime/AI SeriesTime/AG AccessionNumber/VI
Modality/AG=RTSTRUCT Manufacturer/AG=radnode InstitutionName/NI ReferringPhysicianName/EI
TimezoneOffsetFromUTC/NI StudyDescription/AI SeriesDescription/AG OperatorsName/EG
ManufacturerModelName/AG=radnode PatientName/AI PatientID/AI PatientBirthDate/AI PatientSex/AI
DeviceSerialNumber/AG=none SoftwareVersions/AG ContentQualification/AG
ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG >ManufacturerModelName/AG
>SoftwareVersions/NG >ContributionDateTime/NG >ContributionDescription/NG
>PurposeOfReferenceCodeSequence/AG >>CodeValue/AG >>CodingSchemeDesignator/AG=DCM
>>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG StudyID/VI SeriesNumber/AG
InstanceNumber/AG=1 FrameOfReferenceUID/AG PositionReferenceIndicator/EG
RequestAttributesSequence/NI StructureSetLabel/AG StructureSetName/AG
StructureSetDescription/AG StructureSetDate/AG StructureSetTime/AG
ReferencedFrameOfReferenceSequence/AG >FrameOfReferenceUID/AG >RTReferencedStudySequence/AG
>>ReferencedSOPClassUID/AG >>ReferencedSOPInstanceUID/AG >>RTReferencedSeriesSequence/AG
StructureSetROISequence/AG >ROINumber/AG >ReferencedFrameOfReferenceUID/AG >ROIName/AG
>ROIVolume/AG >ROIGenerationAlgorithm/AG=AUTOMATIC >ROIGenerationDescription/AG
ROIContourSequence/AG >ROIDisplayColor/AG >ContourSequence/AG >>ContourImageSequence/AG
>>ContourGeometricType/AG=CLOSED_PLANAR >>NumberOfContourPoints/AG=4 >>ContourNumber/AG
>>ContourData/AG >ReferencedROINumber/AG RTROIObservationsSequence/AG >ObservationNumber/AG
>ReferencedROINumber/AG >ROIObservationLabel/AG >RTROIIdentificationCodeSequence/AG
>>CodeValue/AG >>CodingSchemeDesignator/AG=SCT >>CodeMeaning/AG
>>SegmentedPropertyTypeModifierCodeSequence/NG >RTROIInterpretedType/EG >ROIInterpreter/EG
ApprovalStatus/AG=UNAPPROVED
""",
    "NOT_RUN": """
SpecificCharacterSet/AI InstanceCreationDate/AG InstanceCreationTime/AG SOPClassUID/AG
SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI SeriesTime/AG
ContentTime/AG AccessionNumber/VI Modality/AG=SR Manufacturer/AG=radnode InstitutionName/NI
ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI StudyDescription/AI SeriesDescription/AG
ManufacturerModelName/AG=radnode ReferencedPerformedProcedureStepSequence/EG PatientName/AI
PatientID/AI PatientBirthDate/AI PatientSex/AI DeviceSerialNumber/AG=none SoftwareVersions/AG
ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG
>ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG=1 ValueType/AG=CONTAINER
ConceptNameCodeSequence/AG >CodeValue/AG=18748-4 >CodingSchemeDesignator/AG=LN >CodeMeaning/AG
ContinuityOfContent/AG=SEPARATE ReferencedRequestSequence/NG >AccessionNumber/AG=ACC1
>ReferencedStudySequence/EG >StudyInstanceUID/AG >RequestedProcedureDescription/EG
>RequestedProcedureCodeSequence/EG >RequestedProcedureID/AG=RP-7
>PlacerOrderNumberImagingServiceRequest/EG >FillerOrderNumberImagingServiceRequest/EG
PerformedProcedureCodeSequence/EG CurrentRequestedProcedureEvidenceSequence/AG
>ReferencedSeriesSequence/AG >>ReferencedSOPSequence/AG >>SeriesInstanceUID/AG
>StudyInstanceUID/AG CompletionFlag/AG=COMPLETE VerificationFlag/AG=UNVERIFIED
PreliminaryFlag/AG=PRELIMINARY ContentTemplateSequence/AG >MappingResource/AG=DCMR
>TemplateIdentifier/AG=2000
""",
    "NOT_RUN_CAPTURE": """
SpecificCharacterSet/AI ImageType/AG InstanceCreationDate/AG InstanceCreationTime/AG
SOPClassUID/AG SOPInstanceUID/AG StudyDate/AI SeriesDate/AG ContentDate/AG StudyTime/AI
SeriesTime/AG ContentTime/AG AccessionNumber/VI Modality/AG=OT ConversionType/AG=WSD
Manufacturer/AG=radnode InstitutionName/NI ReferringPhysicianName/EI TimezoneOffsetFromUTC/NI
StudyDescription/AI SeriesDescription/AG ManufacturerModelName/AG=radnode
DerivationDescription/AG PatientName/AI PatientID/AI PatientBirthDate/AI PatientSex/AI
BodyPartExamined/AI DeviceSerialNumber/AG=none SecondaryCaptureDeviceManufacturer/AG=radnode
SecondaryCaptureDeviceManufacturerModelName/AG=radnode SoftwareVersions/AG
ContentQualification/AG ContributingEquipmentSequence/AG >Manufacturer/AG >InstitutionName/NG
>ManufacturerModelName/AG >SoftwareVersions/NG >ContributionDateTime/NG
>ContributionDescription/NG >PurposeOfReferenceCodeSequence/AG >>CodeValue/AG
>>CodingSchemeDesignator/AG=DCM >>CodeMeaning/AG StudyInstanceUID/AI SeriesInstanceUID/AG
StudyID/VI SeriesNumber/AG InstanceNumber/AG=1 PatientOrientation/EG ImageComments/AG
SamplesPerPixel/AG=3 PhotometricInterpretation/AG=RGB PlanarConfiguration/AG=0 Rows/AG=600
Columns/AG=800 BitsAllocated/AG=8 BitsStored/AG=8 HighBit/AG=7 PixelRepresentation/AG=0
BurnedInAnnotation/AG=YES RecognizableVisualFeatures/AG=NO RequestAttributesSequence/NI
PixelData/AG
""",
}
