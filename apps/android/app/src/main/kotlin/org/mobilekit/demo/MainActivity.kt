package org.mobilekit.demo

import android.Manifest
import android.content.pm.PackageManager
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.contract.ActivityResultContracts
import androidx.activity.viewModels
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue

class MainActivity : ComponentActivity() {
    private val model: DemoModel by viewModels()
    private var camera by mutableStateOf(false)
    private val asking = registerForActivityResult(ActivityResultContracts.RequestPermission()) { camera = it }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent {
            DemoScreen(model, camera, this) { asking.launch(Manifest.permission.CAMERA) }
        }
    }

    /** Also after the settings, where a person may have allowed what was refused before. */
    override fun onResume() {
        super.onResume()
        camera = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED
    }
}
